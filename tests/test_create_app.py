from app import create_app


def test_the_application_starts_and_answers_healthz() -> None:
    answer = create_app({"ENV": "testing"}).test_client().get("/healthz")
    assert answer.status_code == 200
    assert answer.json == {"ok": True, "status": "ok"}
