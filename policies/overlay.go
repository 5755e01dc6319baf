package policies

import (
	"errors"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// An Overlay is an operator's directory with files of Gatehouse under it, as one
// tree of files. A file of the directory replaces the one at the same path, and
// with a replaced rule goes the test beside it, which was of the old rule. A schema
// can't be replaced: to open one that the directory has is an error.
//
// Symbolic links of the directory are followed, to folders too: Kubernetes mounts
// a ConfigMap as links into a hidden folder. What is hidden by a dot is not there.
//
// An Overlay reads the directory anew each time that it is asked.
type Overlay struct{ dir, under fs.FS }

var (
	_ fs.ReadDirFS = (*Overlay)(nil)
	_ fs.StatFS    = (*Overlay)(nil)
)

// Over returns a directory over the baseline.
func Over(dir fs.FS) *Overlay { return &Overlay{dir: dir, under: baseline} }

// Alone returns a directory that replaces the whole baseline. Only the schemas
// are under it.
func Alone(dir fs.FS) *Overlay { return &Overlay{dir: dir, under: schemas} }

// errOwnSchema is of a file that would have no field checked any more, or the wrong
// ones: what a collector states is not for policy to choose.
var errOwnSchema = errors.New("is at the path of a schema of Gatehouse's, which can't be replaced: remove it, or give it another name")

// isSchema reports whether Gatehouse has a schema at that path.
func isSchema(name string) bool {
	info, err := fs.Stat(schemas, name)
	return err == nil && !info.IsDir()
}

// Own reports whether a file is the directory's.
func (o *Overlay) Own(name string) bool {
	_, err := o.statOwn(name)
	return err == nil
}

// Replaced lists the files of the baseline's rules for a plugin that are not in force,
// since the directory has others in their place or stands alone.
func (o *Overlay) Replaced(plugin string) []string {
	rules, err := fs.Glob(baseline, "gatehouse/"+plugin+"/*.rego")
	if err != nil {
		return nil // the pattern is a good one
	}
	return slices.DeleteFunc(rules, func(name string) bool {
		_, err := fs.Stat(o.under, name)
		return strings.HasSuffix(name, "_test.rego") || err == nil && !o.Own(name)
	})
}

// Empty reports whether the directory has no file, as one whose volume isn't mounted.
func (o *Overlay) Empty() (bool, error) {
	empty := true
	err := fs.WalkDir(o, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !o.Own(name) {
			return err
		}
		empty = false
		return fs.SkipAll
	})
	return empty, err
}

// Open implements fs.FS.
func (o *Overlay) Open(name string) (fs.File, error) {
	info, err := o.Stat(name)
	if err != nil {
		return nil, err
	}
	from := o.under
	if o.Own(name) {
		if from = o.dir; !info.IsDir() && isSchema(name) {
			return nil, &fs.PathError{Op: "open", Path: name, Err: errOwnSchema}
		}
	}
	file, err := from.Open(name)
	if err != nil || !info.IsDir() {
		return file, err
	}
	entries, err := o.ReadDir(name)
	if err != nil {
		file.Close()
		return nil, err
	}
	return &folder{File: file, entries: entries}, nil
}

// Stat implements fs.StatFS.
func (o *Overlay) Stat(name string) (fs.FileInfo, error) {
	info, err := o.statOwn(name)
	if !errors.Is(err, fs.ErrNotExist) || name == "." {
		return info, err
	}
	if o.dropped(name) {
		return nil, &fs.PathError{Op: "stat", Path: name, Err: fs.ErrNotExist}
	}
	return fs.Stat(o.under, name)
}

// ReadDir implements fs.ReadDirFS.
func (o *Overlay) ReadDir(name string) ([]fs.DirEntry, error) {
	if info, err := o.Stat(name); err != nil {
		return nil, err
	} else if !info.IsDir() {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: errors.New("is no directory")}
	}
	entries, err := o.readOwn(name)
	if err != nil && (name == "." || !errors.Is(err, fs.ErrNotExist)) {
		return nil, err
	}
	under, err := fs.ReadDir(o.under, name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, entry := range under {
		full := path.Join(name, entry.Name())
		if _, err := o.statOwn(full); errors.Is(err, fs.ErrNotExist) && !o.dropped(full) {
			entries = append(entries, entry)
		}
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, nil
}

// readOwn lists a folder of the directory, each link as what it leads to.
func (o *Overlay) readOwn(name string) ([]fs.DirEntry, error) {
	all, err := fs.ReadDir(o.dir, name)
	if err != nil {
		return nil, err
	}
	entries := make([]fs.DirEntry, 0, len(all))
	for _, entry := range all {
		if hidden(entry.Name()) {
			continue
		}
		if entry.Type()&fs.ModeSymlink != 0 {
			info, err := fs.Stat(o.dir, path.Join(name, entry.Name()))
			if err != nil {
				return nil, err
			}
			entry = fs.FileInfoToDirEntry(info)
		}
		entries = append(entries, entry)
	}
	return entries, nil
}

func (o *Overlay) statOwn(name string) (fs.FileInfo, error) {
	if name != "." && slices.ContainsFunc(strings.Split(name, "/"), hidden) {
		return nil, &fs.PathError{Op: "stat", Path: name, Err: fs.ErrNotExist}
	}
	return fs.Stat(o.dir, name)
}

// dropped reports whether a file is the test of a replaced rule.
func (o *Overlay) dropped(name string) bool {
	rule, isTest := strings.CutSuffix(name, "_test.rego")
	return isTest && o.Own(rule+".rego")
}

func hidden(element string) bool { return strings.HasPrefix(element, ".") }

// folder is an open folder of both trees.
type folder struct {
	fs.File
	entries []fs.DirEntry
}

// ReadDir implements fs.ReadDirFile.
func (f *folder) ReadDir(n int) ([]fs.DirEntry, error) {
	if n > 0 && len(f.entries) == 0 {
		return nil, io.EOF
	}
	if n <= 0 || n > len(f.entries) {
		n = len(f.entries)
	}
	next := slices.Clone(f.entries[:n])
	f.entries = f.entries[n:]
	return next, nil
}
