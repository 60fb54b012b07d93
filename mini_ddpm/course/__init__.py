"""Figures and animations that the notebooks and the command line share."""
