"""The rules: pure functions of what a program asks for. They know no engine, and nobody's server."""
