"""Documents to grounded question–answer rows, with any LangChain chat model as the writer."""
