/** `currentBuild`: a reference to the build, which a program may keep. */
class CurrentBuild implements Serializable {
    private static final long serialVersionUID = 1L
    private final Jenkins jenkins

    CurrentBuild(Jenkins jenkins) { this.jenkins = jenkins }

    String getDescription() { jenkins.description }

    void setDescription(String text) { jenkins.description = text }

    String getCurrentResult() { jenkins.result }
}
