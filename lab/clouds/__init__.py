"""The clouds' own APIs, emulated: each is a process and a victim of its own, apart from the site in the same cloud."""
