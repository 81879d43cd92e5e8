"""The review queue over HTTP: for operators, and by the words of its errors for nobody else."""

from loraloop.testing.gateway_client import GatewayClient as Client


def test_an_operator_sees_what_waits_and_decides(client: Client) -> None:
    """An answer waits with what was said before it, is approved, and waits no longer."""
    client.send("POST", "/v1/consents", {"user": "kim", "consent": "granted"})
    client.chat(store=True, user="kim")
    listed = client.send("GET", "/v1/reviews", role="operator")
    assert listed.status == 200
    (one,) = listed.json["data"]
    assert one["reason"] == "answer_not_approved"
    assert [said["role"] for said in one["messages"]][-1] == "user"
    done = client.send("POST", "/v1/reviews", {"id": one["id"], "decision": "approve"}, role="operator")
    assert (done.status, done.json["decision"]) == (200, "approve")
    assert client.send("GET", "/v1/reviews", role="operator").json["data"] == []
    (talk,) = client.talks()
    assert talk.feedback[0].actor.startswith("review:key:")


def test_others_may_neither_look_nor_decide_and_slips_are_named(client: Client) -> None:
    """Roles without operation get 403; an edit without text, an unknown answer and a wrong field are told."""
    client.send("POST", "/v1/consents", {"user": "kim", "consent": "granted"})
    client.chat(store=True, user="kim")
    (one,) = client.send("GET", "/v1/reviews", role="operator").json["data"]
    for role in ("chat", "feedback", "viewer"):
        assert client.send("GET", "/v1/reviews", role=role).status == 403
        assert client.send("POST", "/v1/reviews", {"id": one["id"], "decision": "approve"}, role=role).status == 403
    for body, status in (
        ({"id": one["id"], "decision": "edit"}, 400),
        ({"id": one["id"], "decision": "like"}, 400),
        ({"id": "cv-0000000000000000#1", "decision": "approve"}, 404),
        ({"id": one["id"], "decision": "approve", "by": "me"}, 400),
    ):
        assert client.send("POST", "/v1/reviews", body, role="operator").status == status, body
