"""From folders to one table, then statistics, figures and pages."""
