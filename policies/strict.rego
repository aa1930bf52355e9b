# For receipts that are worth money: genuine devices of one kind of software, nothing remarked on, nothing taken on
# trust from yesterday.
#
# Beyond default.rego it demands:
#   - that every certificate is asked about for this very appraisal, and none is revoked, on hold or unknown;
#   - no software device;
#   - no remark on any check: not that a firmware id is absent, nor that a manifest is bound to no board. Of a switch it
#     takes the first: no LS10 reports a firmware id, so that the remark tells nothing of the one that is judged;
#   - one driver version across all GPUs, one VBIOS version across the devices of one kind;
#   - a multi-GPU mode that is stated, known, and the same on all GPUs. Hopper firmware from before that field existed
#     does not state one and is denied;
#   - what the lists below say.
package pogw

import rego.v1

revocation := {"mode": "required", "allow_hold": false}

# ---- DATA: fill in what this site demands. Everything is empty as shipped. ------------------------------------------

# Lowest versions, by architecture ("HOPPER", "BLACKWELL", "LS10"), such as {"HOPPER": "570.124.06"}. Versions are
# compared part by part; a part is up to 8 digits or hexadecimal digits. Where there is a minimum, a device that states
# no version is denied.
minimum_driver_version := {}

minimum_vbios_version := {}

# Versions known to be bad, such as {"96.00.5E.00.01"}, as the devices state them.
denied_driver_versions := set()

denied_vbios_versions := set()

# Devices known to be bad, by `ueid`: the serial number of the leaf certificate, in decimal.
denied_ueids := set()

# ---- RULES ----------------------------------------------------------------------------------------------------------

# Multi-GPU modes there are: 0 single passthrough, 1 multi passthrough, 2 protected PCIe.
feature_flags := {0, 1, 2}

gpus := [device | some device in input.devices; device.kind == "gpu"]

kinds := {device.kind | some device in input.devices}

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

# A remark denies under its own word.
deny contains {"code": code, "message": message} if {
	some device, evidence in input.devices
	some id, check in evidence.checks
	check.status == "affirmed"
	some code in check.reasons
	not said_of_every_switch(evidence, id, code)
	message := sprintf("device %d: %s is affirmed with the remark %s", [device, id, code])
}

# What each report of a switch lacks is denied of GPUs alone: no switch could pass otherwise.
said_of_every_switch(evidence, id, code) if {
	evidence.kind == "switch"
	[id, code] == ["fwid", "fwid_absent_in_report"]
}

deny contains {"code": code, "message": message} if {
	some id, check in input.checks
	check.status == "affirmed"
	some code in check.reasons
	message := sprintf("%s is affirmed with the remark %s", [id, code])
}

deny contains {"code": "device_simulated", "message": message} if {
	some device, evidence in input.devices
	not evidence.simulated == false
	message := sprintf("device %d is a software device", [device])
}

deny contains {"code": "revocation_not_affirmed", "message": message} if {
	some device, evidence in input.devices
	not evidence.checks.revocation.status == "affirmed"
	message := sprintf("device %d: it was not found out whether its certificates are revoked", [device])
}

deny contains {"code": "certificate_not_good", "message": message} if {
	some device, evidence in input.devices
	some finding in evidence.revocation
	not finding.status == "good"
	message := sprintf("device %d: a certificate is not known to be good: %v", [device, finding])
}

deny contains {"code": "driver_versions_differ", "message": message} if {
	versions := {object.get(gpu, "driver_version", null) | some gpu in gpus}
	count(versions) > 1
	message := sprintf("driver versions of the GPUs: %v", [versions])
}

deny contains {"code": "vbios_versions_differ", "message": message} if {
	some kind in kinds
	versions := {object.get(device, "vbios_version", null) | some device in input.devices; device.kind == kind}
	count(versions) > 1
	message := sprintf("VBIOS versions of kind %s: %v", [kind, versions])
}

deny contains {"code": "feature_flag_not_stated", "message": message} if {
	some gpu, evidence in gpus
	not object.get(evidence, "feature_flag", null) in feature_flags
	message := sprintf("GPU %d states no multi-GPU mode that is known", [gpu])
}

deny contains {"code": "feature_flags_differ", "message": message} if {
	flags := {object.get(gpu, "feature_flag", null) | some gpu in gpus}
	count(flags) > 1
	message := sprintf("multi-GPU modes of the GPUs: %v", [flags])
}

deny contains {"code": "driver_version_too_low", "message": message} if {
	some device, evidence in input.devices
	minimum := minimum_driver_version[evidence.arch]
	version := object.get(evidence, "driver_version", null)
	not at_least(version, minimum)
	message := sprintf("device %d: expected driver version %s or later, got %v", [device, minimum, version])
}

deny contains {"code": "vbios_version_too_low", "message": message} if {
	some device, evidence in input.devices
	minimum := minimum_vbios_version[evidence.arch]
	version := object.get(evidence, "vbios_version", null)
	not at_least(version, minimum)
	message := sprintf("device %d: expected VBIOS version %s or later, got %v", [device, minimum, version])
}

deny contains {"code": "driver_version_denied", "message": message} if {
	some device, evidence in input.devices
	evidence.driver_version in denied_driver_versions
	message := sprintf("device %d: driver version %s is on the list", [device, evidence.driver_version])
}

deny contains {"code": "vbios_version_denied", "message": message} if {
	some device, evidence in input.devices
	evidence.vbios_version in denied_vbios_versions
	message := sprintf("device %d: VBIOS version %s is on the list", [device, evidence.vbios_version])
}

# The message does not repeat the identity: it travels further than the evidence.
deny contains {"code": "device_denied", "message": message} if {
	some device, evidence in input.devices
	evidence.ueid in denied_ueids
	message := sprintf("device %d is on the list", [device])
}

# Part by part, each padded to the same length, so that neither 9 and 10 nor 09 and 9 are confused. Something that is no
# version is not at least anything.
at_least(version, minimum) if parts(version) >= parts(minimum)

parts(version) := [padded |
	some part in split(upper(version), ".")
	padded := substring(concat("", ["00000000", part]), count(part), 8)
] if {
	is_string(version)
	regex.match(`^[0-9A-Fa-f]{1,8}(\.[0-9A-Fa-f]{1,8})*$`, version)
}
