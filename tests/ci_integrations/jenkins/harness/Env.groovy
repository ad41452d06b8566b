/** `env`: reads what holds here, writes for the rest of the build. */
class Env implements Serializable {
    private static final long serialVersionUID = 1L
    private final Jenkins jenkins

    Env(Jenkins jenkins) { this.@jenkins = jenkins }

    Object getProperty(String name) { this.@jenkins.environment()[name] }

    void setProperty(String name, Object value) { this.@jenkins.assigned[name] = value.toString() }
}
