"""``wherry db firestore-indexes``: what an administrator deploys, whichever database the application runs on."""

import json

from click.testing import CliRunner
from flask import Flask
from flask.cli import ScriptInfo

from app.db import open_database
from app.db.backends.firestore_indexes import index_configuration
from app.db.cli import db_commands
from app.db.flask_ext import install_database
from tests.db.kit import SCHEMA


def test_it_prints_the_file_for_the_applications_collections() -> None:
    app = Flask("boats")
    install_database(app, open_database("memory:", SCHEMA))
    result = CliRunner().invoke(db_commands, ["firestore-indexes"], obj=ScriptInfo(create_app=lambda: app))
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == index_configuration(SCHEMA)
    groups = {one["collectionGroup"] for one in json.loads(result.stdout)["fieldOverrides"]}
    assert {"boats", "harbours"} <= groups
