"""What is learnt: a file a task, and a line for it here."""

from experiments.tasks.adder import ADDER
from experiments.tasks.imdb import IMDB
from experiments.tasks.mnist import MNIST
from experiments.tasks.modular import MODULAR
from experiments.tasks.parity import PARITY
from experiments.tasks.qm9 import QM9
from experiments.tasks.s5 import S5
from experiments.tasks.teacher import TEACHER

TASKS = {task.name: task for task in (MODULAR, MNIST, QM9, IMDB, S5, PARITY, TEACHER, ADDER)}
