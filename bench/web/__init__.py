"""The agents page under gunicorn: ours, the same template from constants on bare Flask, and the same page in Django."""
