"""What stands before every endpoint: keys, limits, a log, metrics. Plain ASGI classes, so that disconnects reach the
endpoints."""
