/** Notes what a block of directives says, and does nothing. */
class Directives implements Serializable {
    private static final long serialVersionUID = 1L
    private static final Set VALUES = ['logRotator'] as Set
    private static final Map KNOWN = [
        pipeline: ['agent', 'options', 'parameters', 'environment', 'stages', 'post'],
        stage: ['agent', 'options', 'environment', 'when', 'steps', 'stages', 'post'],
    ]
    final List<Map> entries = []
    final Map assigned = [:]
    private final Script script

    Directives(Script script) { this.script = script }

    Object methodMissing(String name, Object args) {
        Map entry = [name: name, args: args as List]
        if (!(name in VALUES)) {
            entries << entry
        }
        entry
    }

    Object propertyMissing(String name) {
        name in ['none', 'any'] ? name : script.getProperty(name)
    }

    void propertyMissing(String name, Object value) { assigned[name] = value.toString() }

    /** The first argument of the entry of that name, a GString as the text that it makes; null if there is none. */
    Object first(String name) {
        Object value = entries.find { it.name == name }?.args?.first()
        value instanceof GString ? value.toString() : value
    }

    /** The directives of a block by their names, held against those that such a block has. */
    Map checked(String kind) {
        List unknown = entries*.name - KNOWN[kind]
        if (unknown) {
            throw new IllegalArgumentException("a ${kind} has no ${unknown}")
        }
        entries.collectEntries { [it.name, it.args[0]] }
    }
}
