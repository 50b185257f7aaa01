"""What is counted, and by what it is told apart: every figure has its name here."""

from cpo_platform.common.figures import Family

REQUESTS = Family(
    "cpo_http_requests",
    "Requests by page or endpoint, method and HTTP status.",
    ("endpoint", "method", "status"),
)
REQUEST_SECONDS = Family(
    "cpo_http_request_seconds", "How long requests took.", ("endpoint",), is_duration=True
)
TASKS = Family("cpo_task_runs", "Runs of Celery tasks by outcome.", ("task", "outcome"))
TASK_SECONDS = Family(
    "cpo_task_seconds", "How long runs of Celery tasks took.", ("task",), is_duration=True
)
COUNTED = (REQUESTS, REQUEST_SECONDS, TASKS, TASK_SECONDS)
