"""The variant that a comparison measured, as a LangChain Runnable: from its run folder, or from a pack."""
