// Package plugindata reads the configuration text that SPIRE hands to a plugin.
//
// SPIRE parses server.conf with HCL 1 and hands over the printed text of the
// plugin's plugin_data; a plugin_data_file it hands over as it is. Operators
// have files that HCL 2 alone would refuse or misread: quoted block names,
// several items on one line, commas between items, strings with ${…} in them
// that HCL 1 takes literally. So Parse works in three steps:
//
//   - scan.go splits the text into tokens by HCL 1's rules;
//   - rewrite.go writes them again as one HCL 2 object constructor, each item on
//     the line where it was;
//   - tree.go parses that with hclsyntax (or JSON text with hcl/v2/json) and
//     turns the result into an Object. Nothing is evaluated: there are only
//     strings, numbers, booleans, lists and objects.
//
// Start with Parse. A builder then asks an Object for every key that it knows
// and ends with Problems, which names all that is wrong, and all that was not
// asked for, at once.
//
// Strings come out in Unicode normalization form C, as HCL 2 has them.
package plugindata
