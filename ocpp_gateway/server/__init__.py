"""The process that chargers connect to: `serving` is its whole, `link` one connection.

It keeps what it is told before it answers (`store`), and makes no session: workers do
(docs/adr/0016-ocpp-gateway.md). `v1_6` and `v2_0_1` say what each action is answered with.
"""
