"""An OpenAI-compatible chat completion API that answers by itself, for local stacks and tests."""
