package plugindata

import "encoding/json"

// Value returns all that the object holds, for another parser: as encoding/json
// would decode it, numbers as json.Number. It counts as asking for nothing.
func (o *Object) Value() map[string]any {
	members := make(map[string]any, len(o.keys))
	for _, key := range o.keys {
		if v := o.members[key]; v.kind != kindNull && v.kind != kindInvalid {
			members[key] = v.any()
		}
	}
	return members
}

func (v value) any() any {
	switch v.kind {
	case kindString:
		return v.text
	case kindNumber:
		return json.Number(v.text)
	case kindBool:
		return v.text == "true"
	case kindList:
		list := make([]any, 0, len(v.list))
		for _, element := range v.list {
			list = append(list, element.any())
		}
		return list
	case kindObject:
		return v.object.Value()
	}
	return nil
}
