"""From figures to a decision: evidence, verdict, next action, cost, forgetting, leakage."""
