# Like default.rego, but a manifest whose signer's certificate has expired still counts.
#
# NVIDIA issues manifests with signers that live two years; a driver outlives them. An expired manifest is still what the
# vendor signed, so this weakens freshness and nothing else. The receipt names the manifests and says that the check of
# the measurements could not be affirmed.
package pogw

import rego.v1

revocation := {"mode": "cached", "max_age_s": 86400, "allow_hold": false}

# As in default.rego: about a software device no responder can be asked.
tolerated(evidence, "revocation") if {
	evidence.simulated == true
	evidence.checks.revocation.status == "unverifiable"
}

# The check of a manifest, refuted by nothing but the end of a certificate's life.
expired_only(evidence, id) if {
	id in {"driver_rim", "vbios_rim"}
	check := evidence.checks[id]
	check.status == "refuted"
	count(check.reasons) > 0
	every code in check.reasons {
		code == "certificate_expired"
	}
}

tolerated(evidence, id) if expired_only(evidence, id)

# Measurements that equal a manifest which is tolerated: no difference, nothing missing.
tolerated(evidence, "measurements") if {
	check := evidence.checks.measurements
	check.status == "unverifiable"
	count(check.reasons) > 0
	every code in check.reasons {
		code == "reference_not_verified"
	}
	every id in {"driver_rim", "vbios_rim"} {
		usable(evidence, id)
	}
}

usable(evidence, id) if evidence.checks[id].status in {"affirmed", "not_requested"}

usable(evidence, id) if expired_only(evidence, id)

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
