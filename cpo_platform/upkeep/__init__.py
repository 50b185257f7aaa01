"""What keeps the platform going: scale, readiness, metrics, tasks, backup."""
