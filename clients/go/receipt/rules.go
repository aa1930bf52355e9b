package receipt

// What claims may not say at once, and which assurance level they support: the rules and the order of the Rust crate.

var carriers = map[string][]string{
	"device_report": {"hardware", "provider_asserted"}, "reference_measurements": {"hardware", "provider_asserted"},
	"revocation": {"hardware", "provider_asserted"}, "guest_quote": {"hardware", "provider_asserted"},
	"output_commitment": {"hardware", "guest_asserted", "provider_asserted"},
	"audit":             {"recomputation"}, "freivalds": {"recomputation"}, "sumcheck": {"recomputation"},
	"replicas": {"replicas"}, "timing": {"verifier_clock", "guest_asserted", "provider_asserted"},
	"telemetry": {"guest_asserted", "provider_asserted"},
}

func check(claims *Claims) error {
	rules := []func(*Claims) error{
		expiresAfterIssue, countsAreBounded, devicesAndSubmodsMatch, appraisalsFitDevices, statusIsBounded,
		namesAreDistinct, findingsHaveMeaning, revocationAgrees, workIsConsistent, resultsAreAffirmed, levelIsSupported,
	}
	for _, rule := range rules {
		if err := rule(claims); err != nil {
			return err
		}
	}
	return nil
}

func indexOf(word string, words []string) int {
	for i, one := range words {
		if one == word {
			return i
		}
	}
	return -1
}

// Finding is how one check came out; nil if the work mentions none of this name.
func (w *Work) Finding(method string) *Finding {
	for i := range w.Methods {
		if w.Methods[i].Method == method {
			return &w.Methods[i]
		}
	}
	return nil
}

func (w *Work) has(method, status string) bool {
	finding := w.Finding(method)
	return finding != nil && finding.Status == status
}

func (w *Work) hasHardware(method string) bool {
	finding := w.Finding(method)
	return finding != nil && finding.isAffirmedBy("hardware")
}

func (f *Finding) isAffirmedBy(source string) bool {
	return f.Status == "affirmed" && f.Source == source
}

func isOfTheHost(source string) bool { return oneOf(source, "provider_asserted", "guest_asserted") }

func expiresAfterIssue(c *Claims) error {
	if c.Exp != nil && (*c.Exp <= c.Iat || *c.Exp <= c.Nbf) {
		return reject("expiry_not_after_issue", "exp %d is not after both iat %d and nbf %d", *c.Exp, c.Iat, c.Nbf)
	}
	return nil
}

func countsAreBounded(c *Claims) error {
	path := 0
	if c.Pogw.Batch != nil {
		path = len(c.Pogw.Batch.Path)
	}
	for _, count := range []struct {
		what          string
		limit, actual int
	}{
		{"devices", 128, len(c.Pogw.Devices)}, {"outputs", 256, len(c.Pogw.Outputs)},
		{"methods", 32, len(c.Pogw.Methods)}, {"collateral", 512, len(c.Pogw.Collateral)},
		{"revocation", 512, len(c.Pogw.Revocation)}, {"batch path", 32, path},
	} {
		if count.actual > count.limit {
			return reject("too_many_entries", "%s: expected at most %d, got %d", count.what, count.limit, count.actual)
		}
	}
	return nil
}

func devicesAndSubmodsMatch(c *Claims) error {
	if len(c.Pogw.Devices) == 0 {
		return reject("devices_missing", "no devices")
	}
	ids, submods := map[string]bool{}, map[string]bool{}
	for _, device := range c.Pogw.Devices {
		if ids[device.ID] || submods[device.Submod] {
			return reject("device_duplicate", "device %s shares its id or its submodule", device.ID)
		}
		ids[device.ID], submods[device.Submod] = true, true
		if _, there := c.Submods[device.Submod]; !there {
			return reject("device_submod_missing", "device %s has no submodule %s", device.ID, device.Submod)
		}
	}
	for name := range c.Submods {
		if !submods[name] {
			return reject("submod_without_device", "submodule %s belongs to no device", name)
		}
	}
	return nil
}

// tierOf is the tier of one value of a vector (AR4SI section 2.3.2).
func tierOf(value int64) string {
	switch {
	case value >= -1 && value <= 1:
		return "none"
	case value >= -32 && value <= 31:
		return "affirming"
	case value >= -96 && value <= 95:
		return "warning"
	}
	return "contraindicated"
}

func appraisalsFitDevices(c *Claims) error {
	for _, device := range c.Pogw.Devices {
		if err := appraisalFits(c.Submods[device.Submod], device); err != nil {
			return err
		}
	}
	return nil
}

func appraisalFits(a Appraisal, device Device) error {
	if len(a.PolicyIDs) == 0 {
		return reject("policy_ids_missing", "submodule %s names no policy", device.Submod)
	}
	if device.Simulated && (a.EarStatus == "affirming" || tierOf(a.Vector["hardware"]) == "affirming") {
		return reject("simulated_device_affirmed", "submodule %s affirms a simulated device", device.Submod)
	}
	for name, value := range a.Vendor {
		model, _ := value.(string)
		if device.Simulated && (name != "hwmodel" || !oneOf("SIMULATED", fromList(model)...)) {
			return reject("simulated_vendor_claim", "submodule %s states %q for a simulated device", device.Submod, excerpt(name))
		}
	}
	if device.Kind != "cpu_tee" && a.Vector["executables"] == 2 {
		return reject("executables_overstated", "submodule %s says executables 2, expected 3 at best", device.Submod)
	}
	if a.Vendor["measres"] == "fail" && tierOf(a.Vector["executables"]) == "affirming" {
		return reject("measurement_contradiction", "submodule %s affirms executables although measres is fail", device.Submod)
	}
	return isNoBetter(a.EarStatus, bound(a.Vector), device.Submod)
}

// bound is the best status a vector allows: the tier of its worst claim, none if it makes none.
func bound(vector map[string]int64) string {
	worst := ""
	for _, value := range vector {
		if tier := tierOf(value); value != 0 && (worst == "" || indexOf(tier, tiers) < indexOf(worst, tiers)) {
			worst = tier
		}
	}
	if worst == "" {
		return "none"
	}
	return worst
}

func statusIsBounded(c *Claims) error {
	for _, appraisal := range c.Submods {
		if err := isNoBetter(c.EarStatus, appraisal.EarStatus, "the receipt"); err != nil {
			return err
		}
	}
	return nil
}

func isNoBetter(actual, best, place string) error {
	if indexOf(actual, tiers) > indexOf(best, tiers) {
		return reject("ear_status_too_good", "ear_status of %s: expected at best %s, got %s", place, best, actual)
	}
	return nil
}

func namesAreDistinct(c *Claims) error {
	outputs, methods := map[string]bool{}, map[string]bool{}
	for _, output := range c.Pogw.Outputs {
		if outputs[output.Name] {
			return reject("output_duplicate", "output %s occurs twice", output.Name)
		}
		outputs[output.Name] = true
	}
	for _, finding := range c.Pogw.Methods {
		if methods[finding.Method] {
			return reject("method_duplicate", "method %s occurs twice", finding.Method)
		}
		methods[finding.Method] = true
	}
	return nil
}

func findingsHaveMeaning(c *Claims) error {
	for i := range c.Pogw.Methods {
		if err := findingHasMeaning(&c.Pogw.Methods[i], c.Pogw.Devices); err != nil {
			return err
		}
	}
	return nil
}

func findingHasMeaning(f *Finding, devices []Device) error {
	if can, known := carriers[f.Method]; known && !oneOf(f.Source, can...) {
		return reject("method_source_not_allowed", "method %s cannot rest on %s", f.Method, f.Source)
	}
	for _, device := range devices {
		isSubject := (device.Kind == "cpu_tee") == (f.Method == "guest_quote")
		if isSubject && device.Simulated && f.isAffirmedBy("hardware") {
			return reject("simulated_hardware_source", "method %s cannot rest on hardware: %s is simulated", f.Method, device.ID)
		}
	}
	hasStrength, hasShare := f.Log2Error != nil, f.WrongPPM != nil
	switch {
	case hasStrength && !f.isAffirmedBy("recomputation"):
		return reject("strength_not_allowed", "method %s is %s: it has no log2_error", f.Method, f.Status)
	case hasShare != (f.Method == "audit" && hasStrength):
		return reject("strength_share", "method %s: an audit states log2_error and wrong_ppm together", f.Method)
	case f.Chain != nil && !hasShare:
		return reject("strength_chain", "method %s: chain stands beside the wrong_ppm of an audit alone", f.Method)
	case (f.Agreeing != nil) != (f.Method == "replicas" && f.Status == "affirmed"):
		return reject("agreeing_count", "method %s: affirmed replicas state how many agree", f.Method)
	}
	return nil
}

func revocationAgrees(c *Claims) error {
	listed := c.Pogw.Revocation
	if len(listed) > 0 && c.Pogw.has("revocation", "not_requested") {
		return reject("revocation_not_requested", "revocation lists certificates although nobody asked")
	}
	if !c.Pogw.has("revocation", "affirmed") {
		return nil
	}
	if len(listed) == 0 {
		return reject("revocation_unshown", "revocation is affirmed without a certificate that was asked about")
	}
	for _, certificate := range listed {
		if !oneOf(certificate.Status, "good", "on_hold") {
			return reject("revocation_contradiction", "revocation is affirmed although %s is %s", certificate.Subject, certificate.Status)
		}
	}
	return nil
}

func workIsConsistent(c *Claims) error {
	w := &c.Pogw
	if w.has("output_commitment", "affirmed") && len(w.Outputs) == 0 {
		return reject("outputs_missing", "output_commitment is affirmed without outputs")
	}
	if w.Kernel != nil && w.Program != nil {
		return reject("program_beside_kernel", "pogw: expected a kernel or a program, got both")
	}
	for _, said := range []*Asserted{w.Program, w.Executor, w.ModuleDigest} {
		if said != nil && !isOfTheHost(said.Source) {
			return reject("asserted_source_not_allowed", "expected the provider's or guest's word, got %s", said.Source)
		}
	}
	if t := w.Timings; t != nil && (!isOfTheHost(t.Source) || t.Started > t.Finished) {
		return reject("timings_invalid", "timings: expected an end after the start on the provider's or guest's word")
	}
	if b := w.Batch; b != nil && b.Index >= b.Size {
		return reject("batch_index_out_of_range", "batch: index %d is not below size %d", b.Index, b.Size)
	}
	return nil
}

func resultsAreAffirmed(c *Claims) error {
	claimed := c.Pogw.Assurance.Results
	for _, result := range claimed {
		if !c.Pogw.has(result, "affirmed") {
			return reject("assurance_result_not_affirmed", "assurance claims %s, which is not affirmed", result)
		}
	}
	for _, result := range results {
		if len(claimed) > 0 && c.Pogw.has(result, "refuted") {
			return reject("assurance_result_contradicted", "assurance claims result checks although %s is refuted", result)
		}
	}
	return nil
}

func levelIsSupported(c *Claims) error {
	claimed := c.Pogw.Assurance.Level
	supported, shortfall := supportedLevel(c)
	if indexOf(claimed, levels) > indexOf(supported, levels) {
		return reject("assurance_level_unsupported", "assurance level: expected at most %s, got %s: %s", supported, claimed, shortfall)
	}
	return nil
}

// supportedLevel is the highest level devices and findings support, and what the next one lacks.
func supportedLevel(c *Claims) (level, shortfall string) {
	if shortfall := shortOfA1(c); shortfall != "" {
		return "A0", shortfall
	}
	if !c.Pogw.hasHardware("output_commitment") {
		return "A1", "output_not_committed"
	}
	if !c.Pogw.hasHardware("guest_quote") {
		return "A2", "guest_not_quoted"
	}
	return "A3", ""
}

// shortOfA1: every GPU and switch is genuine on the word of its own fresh report, and there is a GPU.
func shortOfA1(c *Claims) string {
	hasGPU := false
	for _, device := range c.Pogw.Devices {
		if device.Simulated {
			return "simulated"
		}
		hasGPU = hasGPU || device.Kind == "gpu"
	}
	if !hasGPU {
		return "gpu_missing"
	}
	for _, device := range c.Pogw.Devices {
		appraisal := c.Submods[device.Submod]
		switch {
		case device.Kind == "cpu_tee":
		case tierOf(appraisal.Vector["hardware"]) != "affirming":
			return "hardware_not_affirmed"
		case appraisal.EatNonce == nil:
			return "evidence_nonce_missing"
		}
	}
	if !c.Pogw.hasHardware("device_report") {
		return "report_not_affirmed"
	}
	if c.Pogw.has("revocation", "refuted") {
		return "revoked"
	}
	return ""
}
