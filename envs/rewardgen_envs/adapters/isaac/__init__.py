"""Isaac Gym and Isaac Lab in a process of their own, whose Python this project cannot use."""
