"""An OpenAI-compatible server over a base, its adapters and winners: many models behind one port, mixed in one batch.

It follows OpenAI's chat, completions, embeddings and models APIs (platform.openai.com/docs/api-reference), with vLLM's
extensions where it has one (docs.vllm.ai): /tokenize, prompt_logprobs, structured_outputs, /v1/load_lora_adapter.
"""
