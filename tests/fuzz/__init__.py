"""Every codec of the wire against bytes that nobody foresaw: `make fuzz`, and briefly in the unit suite."""
