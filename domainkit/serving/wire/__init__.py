"""OpenAI's forms: bodies to requests, answers to objects, errors to bodies. No sockets."""
