"""Car tasks: a car on the ground, steered by its front wheels."""
