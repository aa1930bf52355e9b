# The policy that applies when none is configured: everything that was asked for must be affirmed.
#
# `input` is described in policies/README.md. A check nobody asked for (`not_requested`) does not deny.
#
# About a software device no responder can be asked. That its certificates could not be checked does not deny: its
# receipt says `simulated` and A0 anyway. What was refuted denies for every device.
package pogw

import rego.v1

revocation := {"mode": "cached", "max_age_s": 86400, "allow_hold": false}

tolerated(evidence, "revocation") if {
	evidence.simulated == true
	evidence.checks.revocation.status == "unverifiable"
}

deny contains {"code": code, "message": message} if {
	some device, evidence in input.devices
	some id, check in evidence.checks
	check.status in {"refuted", "unverifiable"}
	not tolerated(evidence, id)
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
