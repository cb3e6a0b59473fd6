"""The tests; a package so that they can name the simulators by one path."""
