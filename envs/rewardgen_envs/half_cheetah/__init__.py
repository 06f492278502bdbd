"""Half-cheetah tasks: a two-legged robot in a vertical plane."""
