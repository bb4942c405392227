"""Real data: prepared once, checked, and kept in one file that training reads.

    python -m experiments.data prepare mnist                  # through TensorFlow Datasets
    python -m experiments.data prepare mnist --from FOLDER    # from the original files

Training reads only the prepared file, and needs neither TensorFlow Datasets nor the original.
"""
