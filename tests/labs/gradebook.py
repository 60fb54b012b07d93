"""To import this makes gradebooks not wait for the disk at every entry: those of tests need survive no power cut."""

from sqlalchemy import event
from sqlalchemy.engine import Engine


@event.listens_for(Engine, "connect")
def _wait_for_nothing(connection, _record):
    connection.execute("PRAGMA synchronous = OFF")
