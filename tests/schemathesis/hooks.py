"""What schemathesis does not know of itself: how DER is sent."""

import schemathesis


@schemathesis.serializer("application/ocsp-request")
def ocsp(context, value):
    return value if isinstance(value, bytes) else str(value).encode()
