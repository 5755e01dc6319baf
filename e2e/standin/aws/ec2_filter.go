package aws

import (
	"path"
	"slices"
	"strconv"
)

// A filter of DescribeInstances: one of the values must match.
type filter struct {
	field  func(Instance) string
	values []string
}

type filters []filter

// filterFields are the filters that this stand-in knows. EC2 has many more.
func filterFields() map[string]func(Instance) string {
	return map[string]func(Instance) string{
		"instance-id":         func(i Instance) string { return i.ID },
		"instance-state-name": func(i Instance) string { return i.State.Name },
		"instance-state-code": func(i Instance) string { return strconv.Itoa(i.State.Code) },
		"image-id":            func(i Instance) string { return i.ImageID },
		"vpc-id":              func(i Instance) string { return i.VPCID },
		"subnet-id":           func(i Instance) string { return i.SubnetID },
	}
}

// parseFilters takes Filter.N.Name and Filter.N.Value.M.
func parseFilters(p params) (filters, *Error) {
	var list filters
	for n := 1; ; n++ {
		prefix := "Filter." + strconv.Itoa(n)
		name := p.take(prefix + ".Name")
		values := p.list(prefix + ".Value")
		if name == "" && len(values) == 0 {
			return list, nil
		}
		field, ok := filterFields()[name]
		if !ok {
			return nil, badRequest("InvalidParameterValue", "The filter '"+name+"' is invalid")
		}
		if len(values) == 0 {
			return nil, badRequest("InvalidParameterValue", "The filter '"+name+"' has no values")
		}
		if len(values) > maxFilterItems {
			return nil, badRequest("FilterLimitExceeded", "The maximum number of filter values specified on a single call is 200")
		}
		list = append(list, filter{field, values})
	}
}

func (f filters) match(instance Instance) bool {
	for _, filter := range f {
		got := filter.field(instance)
		if !slices.ContainsFunc(filter.values, func(want string) bool {
			// The wildcards are those of EC2: * and ?.
			ok, err := path.Match(want, got)
			return err == nil && ok
		}) {
			return false
		}
	}
	return true
}
