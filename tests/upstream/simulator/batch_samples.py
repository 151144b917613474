"""Batches to send to a desk, and what comes back, for the tests of the batch endpoints."""

import json
from dataclasses import dataclass

PATH = "/v1/messages/batches"
DAY = 86_400


def params(text="Why?", **changes):
    asked = {"model": "claude-haiku-5-5", "max_tokens": 200, "messages": [{"role": "user", "content": text}]} | changes
    return {name: value for name, value in asked.items() if value is not None}


def item(custom_id, text="Why?", **changes):
    return {"custom_id": custom_id, "params": params(text, **changes)}


def items(count, **changes):
    return [item(f"id-{n}", f"What is number {n}?", **changes) for n in range(count)]


@dataclass
class BatchDesk:
    """Speaks with the batch endpoints through a desk."""

    desk: object

    def create(self, requests, **headers):
        return self.desk.post({"requests": requests}, path=PATH, **headers)

    def created(self, requests, **headers):
        return self.create(requests, **headers).json["id"]

    def status(self, batch_id):
        return self.desk.get(f"{PATH}/{batch_id}").json

    def cancel(self, batch_id):
        return self.desk.send("POST", f"{PATH}/{batch_id}/cancel")

    def delete(self, batch_id):
        return self.desk.send("DELETE", f"{PATH}/{batch_id}")

    def lines(self, batch_id, **headers):
        raw = self.desk.get(f"{PATH}/{batch_id}/results", **headers).raw
        return [json.loads(line) for line in raw.decode().splitlines()]

    def results(self, batch_id):
        return {line["custom_id"]: line["result"] for line in self.lines(batch_id)}

    def finished(self, requests, **headers):
        """The results of a batch that has had its time."""
        batch_id = self.created(requests, **headers)
        self.wait(60)
        return self.results(batch_id)

    def wait(self, seconds):
        self.desk.clock.now += seconds

    @property
    def simulator(self):
        return self.desk.simulator


def kinds(results):
    return {custom_id: result["type"] for custom_id, result in results.items()}
