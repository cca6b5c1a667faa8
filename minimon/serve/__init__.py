"""The health server: routes and documents are pure, a subject is asked on its own threads, sockets come last."""
