"""What an operator's tools need to watch a deployment: Prometheus rules and a Grafana dashboard, made for its objectives."""

from brickwork.observe.dashboard import dashboard
from brickwork.observe.rules import Objectives, rules

__all__ = ["Objectives", "dashboard", "rules"]
