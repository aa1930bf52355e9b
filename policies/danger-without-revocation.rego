# Like default.rego, but nobody is asked about revocation.
#
# Danger: a certificate that its issuer revoked, because its key leaked or its firmware is broken, passes as if it were good.
# For tests, and for looking at old evidence. The receipt says that revocation was not requested.
package pogw

import rego.v1

revocation := {"mode": "off"}

deny contains {"code": code, "message": message} if {
	some device, evidence in input.devices
	some id, check in evidence.checks
	check.status in {"refuted", "unverifiable"}
	code := sprintf("%s_%s", [id, check.status])
	message := sprintf("device %d: %s is %s", [device, id, check.status])
}

deny contains {"code": code, "message": message} if {
	some id, check in input.checks
	check.status in {"refuted", "unverifiable"}
	code := sprintf("%s_%s", [id, check.status])
	message := sprintf("%s is %s", [id, check.status])
}

deny contains {"code": "device_missing", "message": "the evidence holds no device"} if {
	count(input.devices) == 0
}
