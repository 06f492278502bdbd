"""What can be said of rewards before anything is trained on them: distances, shares, rankings."""
