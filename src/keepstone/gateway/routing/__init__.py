"""Which upstream a call asks, how often, how long, and which it leaves alone; pure but for `shadow`."""
