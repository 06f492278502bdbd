"""Cart-pole tasks: one cart on a rail, one pole."""
