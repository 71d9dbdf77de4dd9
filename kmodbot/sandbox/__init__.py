"""A GitHub on localhost, for the demo and the tests."""

from kmodbot.sandbox.faults import Fault
from kmodbot.sandbox.records import Call, Run
from kmodbot.sandbox.runner import CommandRunner, RunContext, Runner
from kmodbot.sandbox.server import Sandbox

__all__ = ["Call", "CommandRunner", "Fault", "Run", "RunContext", "Runner", "Sandbox"]
