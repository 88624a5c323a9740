"""What a plan may ask for, as pure functions that the runner and the verifier both call.

None knows a model, a file or a clock. A value, or `MethodRefused` with the reason.
"""
