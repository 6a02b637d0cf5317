"""Pages for people, rendered on the server: nothing is loaded from another host, and no script is needed."""
