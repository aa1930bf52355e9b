# For sites that reach no OCSP responder and carry answers in by hand.
#
# What it gives up: a certificate that was revoked after the last answer about it was carried in, or about which none
# ever was, passes as if it were good. NVIDIA's answers name a day after which they are no longer believed (nextUpdate),
# and no policy stretches that; max_age_s below only keeps what a responder with longer answers may say from counting
# for more than a week. So unless answers are carried in every day, revocation is simply not known here, and the receipt
# says so: `revocation` stays unverifiable in it.
#
# What it keeps, of answers in the directory: an answer that was believed and says revoked, on hold or unknown denies, whatever its age now (a
# revocation is never taken back). An answer that is damaged, forged or about something else is no reason to look away
# and denies too; so does every other check, as in default.rego.
package pogw

import rego.v1

revocation := {"mode": "cached", "max_age_s": 604800, "allow_hold": false}

# Why it may be unknown whether a certificate is revoked.
nothing_newer := {"ocsp_not_available", "ocsp_stale", "ocsp_too_old", "ocsp_responder_expired"}

# That the responder of an answer that ran out has run out too is no worse than the answer; that one ran out before its
# answer did is.
ran_out_first(finding) if {
	"ocsp_responder_expired" in finding.reasons
	not "ocsp_stale" in finding.reasons
}

# One finding for each certificate that was asked about.
bearable(finding) if finding.status == "good"

bearable(finding) if {
	finding.status == "not_checked"
	every code in finding.reasons {
		code in nothing_newer
	}
	not ran_out_first(finding)
}

tolerated(evidence, "revocation") if {
	check := evidence.checks.revocation
	check.status == "unverifiable"
	count(check.reasons) > 0
	every code in check.reasons {
		code in nothing_newer
	}
	count(evidence.revocation) > 0
	every finding in evidence.revocation {
		bearable(finding)
	}
}

# As in default.rego: about a software device no responder can be asked.
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
