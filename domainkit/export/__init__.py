"""What leaves domainkit: merged bases, plain LoRA adapters, and the commands of other servers."""
