"""Who is measured, in the order of the tables; how each is started stands in the rooms named here."""

from bench import asgi_floor, nginx, peers
from bench.governed import Way
from bench.launch import Contender

DIRECT, PROXY, FLOOR, PASSTHROUGH = "nginx", "proxy", "floor", "passthrough"
REFERENCE, WORKERS = "strict", "workers"
FERROGW, PORTKEY, LITELLM = "ferrogw", "portkey", "litellm"
_PASSTHROUGH = Way(PASSTHROUGH, policy="passthrough")

CONTENDERS = (
    Contender(DIRECT, "no gateway: nginx, asked directly", nginx.direct),
    Contender(PROXY, "nginx as a bare proxy", nginx.proxy),
    Contender(FLOOR, "bare ASGI floor", asgi_floor.launch),
    Contender(PASSTHROUGH, "Keepstone, pass-through", _PASSTHROUGH.launch),
    Contender(REFERENCE, "Keepstone, everything on", Way("strict").launch),
    Contender("bounded", "Keepstone, record within 10 ms", Way("bounded", durability="bounded").launch),
    Contender("tls", "Keepstone, by TLS", Way("tls", tls=True).launch),
    Contender(WORKERS, "Keepstone, two workers", Way("workers", workers=2).launch, (64,)),
    Contender(FERROGW, "Ferro AI gateway (Go)", peers.ferrogw),
    Contender(PORTKEY, "Portkey (Node.js)", peers.portkey),
    Contender(LITELLM, "LiteLLM proxy (Python)", peers.litellm),
)
