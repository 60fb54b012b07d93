"""Runs: named configurations, folders in which they are trained, and what a trained network draws and is worth."""

from mini_ddpm.runs.device import machine, pick_device
from mini_ddpm.runs.drawing import compiled, default_labels, draw, draw_many
from mini_ddpm.runs.folder import Run, fit, resume, start
from mini_ddpm.runs.metrics import read_metrics
from mini_ddpm.runs.pictures import image_grid, save_animation
from mini_ddpm.runs.presets import RunConfig, SampleConfig, images_of, preset
from mini_ddpm.runs.results import bits_per_dim, bound_of_test_images, evaluate, report
from mini_ddpm.runs.trained import CHECKPOINT, Trained, export, open_run
from mini_ddpm.runs.watching import Watch, held_out_loss
from mini_ddpm.training import DivergedError
