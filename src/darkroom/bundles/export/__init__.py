"""From a run's network to a file another runtime can execute; always in a process of its own."""
