"""Put a fleet of microservices back to how it was on a date."""

__version__ = "0.2.0"
